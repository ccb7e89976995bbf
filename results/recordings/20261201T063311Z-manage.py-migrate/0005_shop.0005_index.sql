-- recorded from: python manage.py migrate
-- migration: shop.0005_index

CREATE INDEX CONCURRENTLY "by_last_name" ON "shop_customer" ("last_name");
INSERT INTO "django_migrations" ("app", "name", "applied") VALUES ('shop', '0005_index', '2026-12-01 06:33:13.036571+00:00'::timestamptz) RETURNING "django_migrations"."id";
