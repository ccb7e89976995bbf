class CreateCustomers < ActiveRecord::Migration[6.1]
  def change
    create_table(:customers) { |table| table.text :full_name, null: false }
  end
end
