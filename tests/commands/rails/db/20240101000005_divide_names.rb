class DivideNames < ActiveRecord::Migration[6.1]
  class Customer < ActiveRecord::Base; end

  def up
    Customer.reset_column_information
    Customer.find_each { |customer| customer.update!(last_name: customer.full_name.split(",").first) }
  end
end
