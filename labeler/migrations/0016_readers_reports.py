from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("labeler", "0015_provisional_scores")]

    operations = [
        migrations.AddField(
            "study",
            "reports_released_at",
            models.DateTimeField(
                blank=True, editable=False, help_text="From then on each reader sees their own report.", null=True
            ),
        ),
        migrations.AddConstraint(
            "study",
            models.CheckConstraint(
                condition=Q(reports_released_at=None) | Q(closed_at__isnull=False), name="released_after_closing"
            ),
        ),
    ]
