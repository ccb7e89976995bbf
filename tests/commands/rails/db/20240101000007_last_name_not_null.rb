class LastNameNotNull < ActiveRecord::Migration[6.1]
  def change
    change_column_null :customers, :last_name, false
    add_check_constraint :orders, "total >= 0", name: "total_not_negative"
  end
end
