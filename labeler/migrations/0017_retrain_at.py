# The time of each study's nightly run.
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeler", "0016_readers_reports")]

    operations = [
        migrations.AddField(
            model_name="study",
            name="retrain_at",
            field=models.TimeField(
                blank=True, help_text="When it is retrained; empty: when all others are.", null=True
            ),
        ),
    ]
