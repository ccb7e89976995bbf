# ActiveRecord's migrator, as `rails db:migrate` calls it, without the rest of Rails.
require "logger"
require "active_record"

ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL"))
context = ActiveRecord::MigrationContext.new(File.join(__dir__, "db"), ActiveRecord::SchemaMigration)
context.migrate
