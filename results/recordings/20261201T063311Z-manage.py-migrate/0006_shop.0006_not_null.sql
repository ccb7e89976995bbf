-- recorded from: python manage.py migrate
-- migration: shop.0006_not_null

BEGIN;
ALTER TABLE "shop_customer" ALTER COLUMN "last_name" SET NOT NULL;
ALTER TABLE "shop_order" ADD CONSTRAINT "total_not_negative" CHECK ("total" >= 0);
INSERT INTO "django_migrations" ("app", "name", "applied") VALUES ('shop', '0006_not_null', '2026-12-01 06:33:13.044500+00:00'::timestamptz) RETURNING "django_migrations"."id";
COMMIT;
