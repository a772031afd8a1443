from django.db import migrations, models

class Migration(migrations.Migration):

    dependencies = [
        ('labeler', '0008_find_uncounted_images'),
    ]

    operations = [
        migrations.AddField(
            model_name='image',
            name='turn',
            field=models.SmallIntegerField(blank=True, help_text='Quarter turns clockwise from its file; none where nothing looked for a face.', null=True),
        ),
        migrations.AddField(
            model_name='image',
            name='is_turned_by_hand',
            field=models.BooleanField(db_default=False, default=False, help_text='An admin said what is up, not its face.'),
        ),
        migrations.AlterField(
            model_name='image',
            name='width',
            field=models.PositiveIntegerField(help_text='Of the turned photograph, in pixels.'),
        ),
    ]
