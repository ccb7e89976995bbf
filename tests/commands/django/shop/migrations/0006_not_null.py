from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0005_index")]
    operations = [
        migrations.AlterField("customer", "last_name", models.TextField()),
        migrations.AddConstraint(
            "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="total_not_negative")
        ),
    ]
