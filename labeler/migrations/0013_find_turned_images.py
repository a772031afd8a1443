from django.db import migrations, models

MAKE = 'CREATE INDEX CONCURRENTLY "turned_of_study" ON "labeler_image" ("study_id") WHERE ("turn" > 0 OR "is_turned_by_hand")'
DROP = 'DROP INDEX CONCURRENTLY "turned_of_study"'


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('labeler', '0012_turn_images'),
    ]

    operations = [
        # AddIndexConcurrently shows its SQL outside of transactions only, and tests are inside of one.
        migrations.RunSQL(
            MAKE,
            DROP,
            state_operations=[
                migrations.AddIndex(
                    model_name='image',
                    index=models.Index(condition=models.Q(('turn__gt', 0), ('is_turned_by_hand', True), _connector='OR'), fields=['study'], name='turned_of_study'),
                ),
            ],
        ),
    ]
