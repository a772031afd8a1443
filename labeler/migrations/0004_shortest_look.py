"""The shortest look that a label needs, and the number of labels that were given sooner."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeler", "0003_acceptance")]

    operations = [
        migrations.AddField(
            model_name="study",
            name="shortest_look_ms",
            field=models.PositiveSmallIntegerField(
                db_default=250,
                default=250,
                help_text="Milliseconds that an image must be seen before a label is taken.",
                validators=[django.core.validators.MaxValueValidator(2000)],
            ),
        ),
        migrations.AddField(
            model_name="daytally",
            name="hasty",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Labels given sooner than the study's shortest look."
            ),
        ),
    ]
