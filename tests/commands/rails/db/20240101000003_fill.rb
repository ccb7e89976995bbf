class Fill < ActiveRecord::Migration[6.1]
  class Customer < ActiveRecord::Base; end
  class Order < ActiveRecord::Base; end

  def up
    20.times do |number|
      customer = Customer.create!(full_name: "O'Brien, #{number} 100% \\ é")
      Order.create!(customer_id: customer.id, total: 9.95 + number)
    end
  end
end
