from django.db import migrations


def fill(apps, schema_editor):
    customers = apps.get_model("shop", "Customer")
    orders = apps.get_model("shop", "Order")
    made = customers.objects.bulk_create(
        customers(full_name=f"O'Brien, {number} 100% \\ é") for number in range(20)
    )
    orders.objects.bulk_create(orders(customer=made[number % 20], total="9.95") for number in range(60))


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
