from dataclasses import replace
from importlib import import_module

from django.db import migrations, models

from labeler.record import fact_triggers

# The picture's facts have its turn from here on; without one they stay as they were.
WITHOUT_TURN = import_module('labeler.migrations.0009_note_changed_facts').KINDS['labeler_image']
TURNED = (
    'row.content_hash, row.rendition_sha256 || '
    "CASE WHEN row.turn IS NULL THEN '{}' ELSE jsonb_build_object('turn', row.turn) END"
)
WITH_TURN = [replace(kind, text=TURNED) if kind.name == 'picture' else kind for kind in WITHOUT_TURN]


def making(kinds):
    return fact_triggers.removing('labeler_image') + fact_triggers.making('labeler_image', kinds)


class Migration(migrations.Migration):

    dependencies = [
        ('labeler', '0011_find_copies'),
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
        migrations.RunSQL(making(WITH_TURN), making(WITHOUT_TURN)),
    ]
