class IndexLastName < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :customers, :last_name, algorithm: :concurrently
  end
end
