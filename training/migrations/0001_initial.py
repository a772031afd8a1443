"""All tables of training. Made on 2026-11-30 out of 7 migrations, the last of which was
0007_what_old_runs_learned_from.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# No golden image among those that a run learns from: a foreign key on the image and its being golden refuses it. It
# holds in both directions: a golden image can't come in, and one that is in can't be made golden.
FORBID = """
CREATE UNIQUE INDEX image_and_whether_golden ON labeler_image (id, is_golden);
ALTER TABLE training_trainingimage ADD CONSTRAINT no_golden_image_is_trained_on
    FOREIGN KEY (image_id, is_golden) REFERENCES labeler_image (id, is_golden);
"""
ALLOW = """
ALTER TABLE training_trainingimage DROP CONSTRAINT no_golden_image_is_trained_on;
DROP INDEX image_and_whether_golden;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('labeler', '0001_initial'),
        ('scoring', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='TrainingRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('stage', models.CharField(blank=True, help_text='What it is doing now, for people.', max_length=120)),
                ('error', models.TextField(blank=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('requested_at', models.DateTimeField(auto_now_add=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('is_nightly', models.BooleanField(db_default=False, default=False, editable=False)),
                ('fits_ms2019', models.BooleanField(db_default=False, default=False)),
                ('done', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('total', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('stage_began_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('record', models.JSONField(db_default={}, default=dict, editable=False)),
                ('label_snapshot', models.CharField(blank=True, max_length=64)),
                ('left_out', models.JSONField(default=list, editable=False)),
                ('conclusion', models.TextField(blank=True)),
                ('is_published', models.BooleanField(default=False)),
                ('report', models.JSONField(blank=True, null=True)),
                ('details_deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('are_details_gone', models.BooleanField(db_default=False, default=False, editable=False)),
                ('cancelled_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('regressor', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='training_run', to='scoring.regressor')),
                ('requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='training_runs', to='labeler.study')),
            ],
            options={
                'ordering': ('-id',),
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TrainingImage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_golden', models.BooleanField(default=False, editable=False)),
                ('image', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='labeler.image')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='training_images', to='training.trainingrun')),
            ],
        ),
        migrations.CreateModel(
            name='Score',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recipe', models.CharField(max_length=40)),
                ('fit', models.PositiveSmallIntegerField()),
                ('value', models.FloatField()),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='scores', to='labeler.image')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='scores', to='training.trainingrun')),
            ],
        ),
        migrations.CreateModel(
            name='LearnedFrom',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('images', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='learned_from', to='training.trainingrun')),
            ],
        ),
        migrations.AddConstraint(
            model_name='trainingrun',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'running'), _negated=True), ('lease_until__isnull', False), _connector='OR'), name='trainingrun_runs_under_a_lease'),
        ),
        migrations.AddConstraint(
            model_name='trainingrun',
            constraint=models.CheckConstraint(condition=models.Q(('finished_at', None), ('started_at', None), ('finished_at__gte', models.F('started_at')), _connector='OR'), name='trainingrun_ends_after_it_starts'),
        ),
        migrations.AddConstraint(
            model_name='trainingrun',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['queued', 'running'])), fields=('study',), name='one_run_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='trainingimage',
            constraint=models.UniqueConstraint(fields=('run', 'image'), name='trained_on_once_a_run'),
        ),
        migrations.AddConstraint(
            model_name='trainingimage',
            constraint=models.CheckConstraint(condition=models.Q(('is_golden', False)), name='nothing_golden_is_trained_on'),
        ),
        migrations.AddConstraint(
            model_name='score',
            constraint=models.UniqueConstraint(fields=('run', 'recipe', 'fit', 'image'), name='one_score_per_fit_and_image'),
        ),
        migrations.RunSQL(FORBID, ALLOW),
    ]
