from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_fill")]
    operations = [
        migrations.AddField("customer", "last_name", models.TextField(null=True)),
        migrations.AddField("customer", "vip", models.BooleanField(default=False)),
    ]
