-- recorded from: python manage.py migrate
-- migration: shop.0002_fill

BEGIN;
INSERT INTO "shop_customer" ("full_name") SELECT * FROM UNNEST(( E'{"O''Brien, 0 100% \\\\ é","O''Brien, 1 100% \\\\ é","O''Brien, 2 100% \\\\ é","O''Brien, 3 100% \\\\ é","O''Brien, 4 100% \\\\ é","O''Brien, 5 100% \\\\ é","O''Brien, 6 100% \\\\ é","O''Brien, 7 100% \\\\ é","O''Brien, 8 100% \\\\ é","O''Brien, 9 100% \\\\ é","O''Brien, 10 100% \\\\ é","O''Brien, 11 100% \\\\ é","O''Brien, 12 100% \\\\ é","O''Brien, 13 100% \\\\ é","O''Brien, 14 100% \\\\ é","O''Brien, 15 100% \\\\ é","O''Brien, 16 100% \\\\ é","O''Brien, 17 100% \\\\ é","O''Brien, 18 100% \\\\ é","O''Brien, 19 100% \\\\ é"}')::text[]) RETURNING "shop_customer"."id";
INSERT INTO "shop_order" ("customer_id", "total") SELECT * FROM UNNEST(('{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}'::int2[])::bigint[], ('{9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95,9.95}'::numeric[])::numeric[]) RETURNING "shop_order"."id";
INSERT INTO "django_migrations" ("app", "name", "applied") VALUES ('shop', '0002_fill', '2026-12-01 06:33:12.704891+00:00'::timestamptz) RETURNING "django_migrations"."id";
COMMIT;
