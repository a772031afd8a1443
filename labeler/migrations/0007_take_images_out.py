from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labeler', '0006_study_secret'),
    ]

    operations = [
        migrations.AddField(
            model_name='image',
            name='is_taken_out',
            field=models.BooleanField(db_default=False, default=False, help_text='By an admin, for a reason that the audit log has.'),
        ),
    ]
