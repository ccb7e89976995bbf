from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0004_divide_names")]
    operations = [AddIndexConcurrently("customer", models.Index(fields=["last_name"], name="by_last_name"))]
