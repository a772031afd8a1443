"""All tables of scoring. Made on 2026-11-30 out of 3 migrations, the last of which was 0003_privacy."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('study', models.SlugField(help_text='Whose active regressor answers.')),
                ('token_sha256', models.CharField(max_length=64, unique=True)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('score', 'Score one photograph'), ('batch', 'Score many at once, and in jobs'), ('overlay', 'See which region drives a score'), ('legacy', "Ask in the published service's way"), ('store', "Leave selfies here, with their person's consent")], max_length=10), default=list, size=None)),
                ('per_minute', models.PositiveIntegerField(default=60, help_text='Photographs a minute, and at most at once.', validators=[django.core.validators.MinValueValidator(1)])),
                ('full_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='BulkJob',
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
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('webhook', models.URLField(blank=True, max_length=2000)),
                ('webhook_due_at', models.DateTimeField(blank=True, null=True)),
                ('webhook_attempts', models.PositiveSmallIntegerField(default=0)),
                ('webhook_delivered_at', models.DateTimeField(blank=True, null=True)),
                ('token', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bulk_jobs', to='scoring.apitoken')),
            ],
            options={
                'ordering': ('id',),
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='BulkItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('name', models.CharField(help_text='Its file name or address, for the app.', max_length=255)),
                ('file', models.CharField(blank=True, help_text='Storage name until it is scored.', max_length=200)),
                ('url', models.URLField(blank=True, max_length=2000)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('status', models.PositiveSmallIntegerField(help_text='As the API would have answered alone.', null=True)),
                ('answer', models.JSONField(null=True)),
                ('detail', models.TextField(blank=True, help_text='Why there is no answer.')),
                ('job', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='scoring.bulkjob')),
            ],
            options={
                'ordering': ('position',),
            },
        ),
        migrations.CreateModel(
            name='Regressor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('study', models.SlugField()),
                ('recipe', models.JSONField()),
                ('artefact', models.CharField(help_text='Storage name.', max_length=200)),
                ('artefact_sha256', models.CharField(max_length=64)),
                ('provenance', models.JSONField(default=dict)),
                ('fitted_at', models.DateTimeField(auto_now_add=True)),
                ('published_at', models.DateTimeField(blank=True, null=True)),
                ('is_active', models.BooleanField(default=False)),
                ('learned_from_erased', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Images that it learned from and that were erased since.')),
            ],
            options={
                'ordering': ('-id',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_active', True)), fields=('study',), name='one_active_regressor')],
            },
        ),
        migrations.CreateModel(
            name='StoredAnswer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=255)),
                ('digest', models.CharField(max_length=64)),
                ('lease_until', models.DateTimeField()),
                ('answer', models.JSONField(null=True)),
                ('made_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('token', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='scoring.apitoken')),
            ],
        ),
        migrations.CreateModel(
            name='StoredSelfie',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('file', models.CharField(help_text='Storage name of the photograph as it came.', max_length=200)),
                ('consent', models.TextField(help_text="What the person agreed to, in the app's words.")),
                ('answer', models.JSONField(help_text='What the machine said of it.')),
                ('stored_at', models.DateTimeField(auto_now_add=True)),
                ('token', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='stored_selfies', to='scoring.apitoken')),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.AddConstraint(
            model_name='apitoken',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None)), fields=('study', 'name'), name='one_live_token_per_app'),
        ),
        migrations.AddConstraint(
            model_name='bulkjob',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'running'), _negated=True), ('lease_until__isnull', False), _connector='OR'), name='bulkjob_runs_under_a_lease'),
        ),
        migrations.AddConstraint(
            model_name='bulkjob',
            constraint=models.CheckConstraint(condition=models.Q(('finished_at', None), ('started_at', None), ('finished_at__gte', models.F('started_at')), _connector='OR'), name='bulkjob_ends_after_it_starts'),
        ),
        migrations.AddConstraint(
            model_name='bulkitem',
            constraint=models.UniqueConstraint(fields=('job', 'position'), name='one_item_per_position'),
        ),
        migrations.AddConstraint(
            model_name='storedanswer',
            constraint=models.UniqueConstraint(fields=('token', 'key'), name='one_answer_per_key'),
        ),
    ]
