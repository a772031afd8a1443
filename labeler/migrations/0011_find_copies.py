import django.db.models.functions.comparison
from django.db import migrations, models

MAKE = 'CREATE INDEX CONCURRENTLY "alias_begins_with" ON "labeler_alias" ("name" COLLATE "C", "image_id")'
DROP = 'DROP INDEX CONCURRENTLY "alias_begins_with"'


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('labeler', '0010_names_of_erased_files'),
    ]

    operations = [
        # AddIndexConcurrently shows its SQL outside of transactions only, and tests are inside of one.
        migrations.RunSQL(
            MAKE,
            DROP,
            state_operations=[
                migrations.AddIndex(
                    model_name='alias',
                    index=models.Index(django.db.models.functions.comparison.Collate('name', 'C'), 'image', name='alias_begins_with'),
                ),
            ],
        ),
    ]
