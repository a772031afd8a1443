from django.db import migrations

from labeler.record import fact_triggers
from labeler.record.fact_triggers import Noted

KINDS = {
    'training_trainingrun': [
        Noted(
            'W',
            'run',
            'training_trainingrun row',
            'row.study_id',
            "row.label_snapshot, row.left_out, row.conclusion, row.is_published, row.report, row.regressor_id, encode(sha256(convert_to(row.record::text, 'UTF8')), 'hex'), row.state, extract(epoch FROM row.requested_at)::text, extract(epoch FROM row.started_at)::text, extract(epoch FROM row.finished_at)::text",
            'row.report IS NOT NULL',
        ),
        Noted(
            'X',
            'scores',
            'training_trainingrun row',
            'row.study_id',
            """(
    SELECT encode(sha256(convert_to(coalesce(string_agg(
        concat_ws(' ', score.recipe, score.fit, image.content_hash, encode(float8send(score.value), 'hex')), '; '
        ORDER BY score.recipe COLLATE "C", score.fit, image.content_hash COLLATE "C"), ''), 'UTF8')), 'hex')
    FROM training_score score JOIN labeler_image image ON image.id = score.image_id WHERE score.run_id = row.id
)""",
            'row.report IS NOT NULL AND row.details_deleted_at IS NULL',
        ),
        Noted(
            'E',
            'learned from',
            'training_trainingrun row',
            'row.study_id',
            """(
    SELECT encode(sha256(convert_to(coalesce(string_agg(image::text, ' ' ORDER BY image), ''), 'UTF8')), 'hex')
    FROM (SELECT image_id FROM training_trainingimage WHERE run_id = row.id
          UNION ALL SELECT unnest(images) FROM training_learnedfrom WHERE run_id = row.id) seen (image)
)""",
            'row.report IS NOT NULL',
        ),
    ],
    'scoring_regressor': [
        Noted(
            'B',
            'regressor',
            'scoring_regressor row JOIN labeler_study study ON study.slug = row.study',
            'study.id',
            'row.recipe, row.artefact, row.artefact_sha256, row.provenance, row.is_active, extract(epoch FROM row.published_at)::text, extract(epoch FROM row.fitted_at)::text',
        ),
    ],
}


class Migration(migrations.Migration):

    atomic = False  # one table after the other

    dependencies = [
        ('labeler', '0009_note_changed_facts'),
        ('scoring', '0001_initial'),
        ('training', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(fact_triggers.making(table, kinds), fact_triggers.removing(table))
        for table, kinds in KINDS.items()
    ]
