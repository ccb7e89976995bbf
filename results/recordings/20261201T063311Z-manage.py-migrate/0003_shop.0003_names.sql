-- recorded from: python manage.py migrate
-- migration: shop.0003_names

BEGIN;
ALTER TABLE "shop_customer" ADD COLUMN "last_name" text NULL;
ALTER TABLE "shop_customer" ADD COLUMN "vip" boolean DEFAULT false NOT NULL;
ALTER TABLE "shop_customer" ALTER COLUMN "vip" DROP DEFAULT;
INSERT INTO "django_migrations" ("app", "name", "applied") VALUES ('shop', '0003_names', '2026-12-01 06:33:12.712152+00:00'::timestamptz) RETURNING "django_migrations"."id";
COMMIT;
