from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("labeler", "0019_privacy"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="password_is_given",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
