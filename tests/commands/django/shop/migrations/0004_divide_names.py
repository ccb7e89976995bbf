import time

from django.db import migrations


def divide(apps, schema_editor):
    """Reads rows, thinks, and writes one by one: what is done in the language."""
    for customer in apps.get_model("shop", "Customer").objects.order_by("id").iterator():
        customer.last_name = customer.full_name.partition(",")[0]
        customer.save(update_fields=["last_name"])
    time.sleep(0.3)  # the runner is away, with its transaction open


class Migration(migrations.Migration):
    dependencies = [("shop", "0003_names")]
    operations = [migrations.RunPython(divide, migrations.RunPython.noop)]
