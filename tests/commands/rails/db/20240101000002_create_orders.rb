class CreateOrders < ActiveRecord::Migration[6.1]
  def change
    create_table(:orders) do |table|
      table.references :customer, null: false, foreign_key: true
      table.decimal :total, precision: 12, scale: 2, null: false
    end
  end
end
