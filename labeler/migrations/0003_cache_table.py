"""The table of Django's database cache, which holds sign-in rate limits: they must not go away with the broker."""

from django.core.management import call_command
from django.db import migrations


def make(apps, schema_editor):
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("labeler", "0002_labels_are_append_only")]
    operations = [
        migrations.RunPython(make, lambda apps, schema_editor: schema_editor.execute("DROP TABLE cache")),
    ]
