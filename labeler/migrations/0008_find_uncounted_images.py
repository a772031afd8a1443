from django.db import migrations, models

MAKE = 'CREATE INDEX CONCURRENTLY "uncounted_of_study" ON "labeler_image" ("study_id") WHERE NOT "may_be_trained_on"'
DROP = 'DROP INDEX CONCURRENTLY "uncounted_of_study"'


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('labeler', '0007_take_images_out'),
    ]

    operations = [
        # AddIndexConcurrently shows its SQL outside of transactions only, and tests are inside of one.
        migrations.RunSQL(
            MAKE,
            DROP,
            state_operations=[
                migrations.AddIndex(
                    model_name='image',
                    index=models.Index(condition=models.Q(('may_be_trained_on', False)), fields=['study'], name='uncounted_of_study'),
                ),
            ],
        ),
    ]
