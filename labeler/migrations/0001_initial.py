"""All tables of a study, the cache's table, and the triggers that keep labels, audit log and ledger from being changed.

Made on 2026-11-30 out of 21 migrations, the last of which was 0021_chores: it leaves what they left.
"""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.utils.timezone
import labeler.models.records
import labeler.models.studies
import uuid
from django.conf import settings
from django.core.management import call_command
from django.db import migrations, models


# Labels are history: the database itself refuses to change or delete one. So it does for audit log and ledger.
FORBID = """
CREATE FUNCTION labeler_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are only ever added, never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON labeler_auditevent
    FOR EACH ROW EXECUTE FUNCTION labeler_refuse_change();
CREATE TRIGGER blocks_are_append_only BEFORE UPDATE OR DELETE ON labeler_ledgerblock
    FOR EACH ROW EXECUTE FUNCTION labeler_refuse_change();
CREATE TRIGGER erased_notes_are_append_only BEFORE UPDATE OR DELETE ON labeler_erasednote
    FOR EACH ROW EXECUTE FUNCTION labeler_refuse_change();
"""
# The one change that a label may see: its note goes, once its image is erased. The function is the only door to it for
# a role that has no right to change labels; it writes down first by what the ledger knows the note.
FORBID_BUT_ERASING = """
CREATE FUNCTION labeler_refuse_label_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.note = '' AND to_jsonb(OLD) - 'note' = to_jsonb(NEW) - 'note'
        AND EXISTS (SELECT FROM labeler_erasednote WHERE label_id = OLD.id)
        AND EXISTS (SELECT FROM labeler_assignment assignment JOIN labeler_image image ON image.id = assignment.image_id
                    WHERE assignment.id = OLD.assignment_id AND image.is_erased)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% rows are only ever added, never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER labels_are_append_only BEFORE UPDATE OR DELETE ON labeler_label
    FOR EACH ROW EXECUTE FUNCTION labeler_refuse_label_change();

CREATE FUNCTION labeler_erase_notes(erased_image bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    INSERT INTO labeler_erasednote (label_id, note_sha256)
        SELECT label.id, encode(sha256(convert_to(label.submission::text || ':' || label.note, 'UTF8')), 'hex')
        FROM labeler_label label
        JOIN labeler_assignment assignment ON assignment.id = label.assignment_id
        JOIN labeler_image image ON image.id = assignment.image_id
        WHERE image.id = erased_image AND image.is_erased AND label.note <> '';
    GET DIAGNOSTICS erased = ROW_COUNT;
    UPDATE labeler_label SET note = '' WHERE note <> '' AND id IN (
        SELECT note.label_id FROM labeler_erasednote note
        JOIN labeler_label label ON label.id = note.label_id
        JOIN labeler_assignment assignment ON assignment.id = label.assignment_id
        WHERE assignment.image_id = erased_image);
    RETURN erased;
END $$;
"""
ALLOW = """
DROP FUNCTION labeler_erase_notes(bigint);
DROP FUNCTION labeler_refuse_label_change() CASCADE;
DROP FUNCTION labeler_refuse_change() CASCADE;
"""


def make_cache_table(apps, schema_editor):
    """Make the table of Django's database cache, whose sign-in rate limits must not go away with the broker."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


def drop_cache_table(apps, schema_editor):
    schema_editor.execute("DROP TABLE cache")


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Image',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('content_hash', models.CharField(help_text='SHA-256 of the file as it came; no-file:... without one.', max_length=64)),
                ('source_name', models.CharField(help_text='Its name when it came; no reader sees it.', max_length=255)),
                ('original', models.CharField(blank=True, help_text='Storage name of the file as it came.', max_length=200)),
                ('rendition', models.CharField(blank=True, help_text='What the storage names of `labeler.images.renditions` begin with.', max_length=200)),
                ('width', models.PositiveIntegerField()),
                ('height', models.PositiveIntegerField()),
                ('subject', models.CharField(blank=True, max_length=100)),
                ('metadata', models.JSONField(blank=True, default=dict, help_text='What else is known of it: column -> value.')),
                ('cluster', models.PositiveBigIntegerField(blank=True, db_index=True, null=True)),
                ('failed', models.CharField(blank=True, help_text='Measures outside their limits.', max_length=200)),
                ('override', models.BooleanField(blank=True, help_text="A person's word: keep it or drop it.", null=True)),
                ('is_kept', models.BooleanField(default=True)),
                ('is_chosen', models.BooleanField(default=False, help_text='Picked by hand for the golden set to come.')),
                ('is_golden', models.BooleanField(default=False)),
                ('may_be_graded', models.BooleanField(db_default=True, default=True)),
                ('may_be_trained_on', models.BooleanField(db_default=True, default=True)),
                ('may_be_shared', models.BooleanField(db_default=True, default=True)),
                ('is_erased', models.BooleanField(db_default=False, default=False, help_text='To be erased: from then on it is not shown.')),
                ('imported_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='Label',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('submission', models.UUIDField(unique=True)),
                ('version', models.PositiveIntegerField()),
                ('grade', models.PositiveSmallIntegerField(null=True)),
                ('not_gradable', models.CharField(blank=True, choices=[('blurred', 'Blurred'), ('badly_lit', 'Badly lit'), ('not_a_face', 'Not a face'), ('not_acne', 'Not acne'), ('occluded', 'Covered or made up'), ('duplicate', 'Seen before'), ('other', 'Something else')], max_length=12)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('is_undo', models.BooleanField(default=False)),
                ('visible_ms', models.PositiveIntegerField(help_text='Milliseconds the decoded image was on the screen.', null=True)),
                ('zoom', models.FloatField(help_text='Largest zoom used; 1 is the whole image in the window.', null=True)),
                ('viewport_width', models.PositiveIntegerField(help_text='CSS pixels.', null=True)),
                ('viewport_height', models.PositiveIntegerField(help_text='CSS pixels.', null=True)),
                ('pixel_ratio', models.FloatField(help_text='Device pixels per CSS pixel.', null=True)),
                ('input_kind', models.CharField(blank=True, choices=[('keyboard', 'Keyboard'), ('mouse', 'Mouse'), ('touch', 'Touch'), ('pen', 'Pen')], max_length=10)),
                ('labeled_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='GradeLevel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('value', models.PositiveSmallIntegerField()),
                ('name', models.CharField(max_length=40)),
                ('criterion', models.TextField(blank=True)),
            ],
            options={
                'ordering': ('value',),
            },
        ),
        migrations.CreateModel(
            name='LedgerMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('labels', models.PositiveBigIntegerField(default=0, help_text='Every label up to this id is settled.')),
                ('events', models.PositiveBigIntegerField(default=0)),
                ('seen_labels', models.PositiveBigIntegerField(default=0)),
                ('seen_events', models.PositiveBigIntegerField(default=0)),
                ('seen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('seen_transactions', models.PositiveBigIntegerField(default=0, help_text='Those that begin later have this number.')),
            ],
        ),
        migrations.CreateModel(
            name='Study',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(unique=True)),
                ('title', models.CharField(max_length=200)),
                ('seed', models.PositiveIntegerField(default=labeler.models.studies.draw_seed)),
                ('is_simulated', models.BooleanField(default=False, help_text='Its images are made, not photographed.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('golden_drawn_at', models.DateTimeField(blank=True, null=True)),
                ('dealt_at', models.DateTimeField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, help_text='From then on no grade is taken.', null=True)),
                ('reports_released_at', models.DateTimeField(blank=True, editable=False, help_text='From then on each reader sees their own report.', null=True)),
                ('retrain_at', models.TimeField(blank=True, help_text='When it is retrained; empty: when all others are.', null=True)),
                ('needs_consent', models.BooleanField(db_default=False, default=False, help_text='Images without a known consent are neither dealt nor learned from.')),
                ('erase_on', models.DateField(blank=True, null=True)),
                ('erase_months_after_closing', models.PositiveSmallIntegerField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'studies',
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('roles', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('admin', 'Runs studies'), ('reader', 'Reads studies'), ('auditor', "Sees every study's log and numbers, changes nothing")], max_length=10), blank=True, help_text='None: a local account, which roles do not limit.', null=True, size=None)),
                ('role_version', models.PositiveIntegerField(default=0, editable=False)),
                ('password_is_given', models.BooleanField(db_default=False, default=False, editable=False)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'abstract': False,
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='Dealing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('first', 'The study was dealt'), ('images', 'Images were added'), ('join', 'A reader joined'), ('leave', 'A reader left')], max_length=10)),
                ('plan', models.JSONField(default=dict, help_text='What was asked for.')),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('dealt_at', models.DateTimeField(auto_now_add=True)),
                ('reversed_at', models.DateTimeField(blank=True, null=True)),
                ('dealt_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='Measurement',
            fields=[
                ('image', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='measurement', serialize=False, to='labeler.image')),
                ('exposure', models.FloatField(db_index=True, help_text='Mean lightness, 0 black to 1 white.')),
                ('contrast', models.FloatField(db_index=True, help_text='Standard deviation of lightness, 0 to 0.5.')),
                ('sharpness', models.FloatField(db_index=True, help_text='Logarithm of the variance of the Laplacian.')),
                ('short_side', models.PositiveIntegerField(db_index=True, help_text='Pixels.')),
                ('faces', models.PositiveSmallIntegerField(db_index=True, help_text='Faces found.')),
                ('face_size', models.FloatField(db_index=True, help_text="Height of the largest face as a share of the image's; 0 without one.")),
                ('fingerprint', models.BinaryField(help_text='`scoring.photograph.fingerprints`.')),
            ],
        ),
        migrations.CreateModel(
            name='ProvisionalScore',
            fields=[
                ('image', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='provisional', serialize=False, to='labeler.image')),
                ('score', models.FloatField()),
                ('grade', models.SmallIntegerField(help_text='The score, cut half-way between two grades.')),
                ('regressor_id', models.PositiveBigIntegerField(help_text='Of `scoring.models.Regressor`, which may be gone.')),
                ('scored_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='Assignment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('position', models.PositiveIntegerField(null=True)),
                ('is_repeat', models.BooleanField(default=False, help_text='The second reading of an image.')),
                ('version', models.PositiveIntegerField(default=0)),
                ('is_done', models.BooleanField(default=False)),
                ('labeled_at', models.DateTimeField(blank=True, null=True)),
                ('dealing', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='labeler.dealing')),
                ('withdrawn_in', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='withdrawn', to='labeler.dealing')),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='labeler.image')),
            ],
            options={
                'ordering': ('reader', 'position'),
            },
        ),
        migrations.CreateModel(
            name='ErasedNote',
            fields=[
                ('label', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, serialize=False, to='labeler.label')),
                ('note_sha256', models.CharField(max_length=64)),
            ],
        ),
        migrations.AddField(
            model_name='label',
            name='assignment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='labels', to='labeler.assignment'),
        ),
        migrations.CreateModel(
            name='Erasure',
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
                ('subject', models.CharField(blank=True, help_text='Their pseudonym; none where not known.', max_length=100)),
                ('reason', models.CharField(max_length=300)),
                ('certificate', models.JSONField(editable=False, help_text='What was erased.', null=True)),
                ('regressors', models.JSONField(editable=False, null=True)),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-id',),
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ErasedImage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('files', models.JSONField(help_text='Kind, name in storage, SHA-256 and bytes of each.', null=True)),
                ('done_at', models.DateTimeField(blank=True, null=True)),
                ('image', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='erased', to='labeler.image')),
                ('erasure', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='images', to='labeler.erasure')),
            ],
        ),
        migrations.CreateModel(
            name='AtlasPicture',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('file', models.CharField(help_text='Storage name of its WebP.', max_length=200)),
                ('caption', models.CharField(blank=True, help_text='What to look at, and where the picture is from.', max_length=200)),
                ('level', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='atlas_pictures', to='labeler.gradelevel')),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='Intake',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('folder', 'A folder on the server'), ('zip', 'A zip file'), ('upload', 'Files from a browser'), ('bucket', 'A prefix in object storage')], max_length=10)),
                ('place', models.CharField(blank=True, help_text='The folder, zip or prefix.', max_length=500)),
                ('requested_at', models.DateTimeField(auto_now_add=True)),
                ('is_uploading', models.BooleanField(default=False, help_text='A browser still sends files.')),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='IntakeFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=500)),
                ('size', models.PositiveBigIntegerField(default=0, help_text='Bytes.')),
                ('upload', models.CharField(blank=True, max_length=200)),
                ('state', models.CharField(choices=[('uploading', 'Being sent'), ('unpacked', 'Unpacked'), ('waiting', 'Waiting'), ('imported', 'Imported'), ('known', 'Known already'), ('refused', 'Refused')], default='waiting', max_length=10)),
                ('reason', models.TextField(blank=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('archive', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='members', to='labeler.intakefile')),
                ('intake', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='labeler.intake')),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(help_text='The provider must say that it is verified.', max_length=254)),
                ('role', models.CharField(choices=[('admin', 'Runs studies'), ('reader', 'Reads studies'), ('auditor', "Sees every study's log and numbers, changes nothing")], max_length=10)),
                ('invited_at', models.DateTimeField(auto_now_add=True)),
                ('issuer', models.CharField(blank=True, max_length=200)),
                ('subject', models.CharField(blank=True, max_length=255)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('invited_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='invitation', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='PrescreenDecision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_kept', models.BooleanField(help_text='None goes back to what the measures say.', null=True)),
                ('reason', models.CharField(max_length=300)),
                ('decided_at', models.DateTimeField(auto_now_add=True)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='labeler.image')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='ProviderSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('id_token', models.TextField()),
                ('refresh_token', models.TextField(blank=True)),
                ('began_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('confirmed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Reader',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=12)),
                ('is_simulated', models.BooleanField(default=False, help_text='A program grades for this reader.')),
                ('done', models.PositiveIntegerField(default=0, editable=False, help_text='Assignments that are done.')),
                ('skipped', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Images of the list that are not done and may not be graded any more.')),
                ('capacity', models.PositiveIntegerField(blank=True, help_text='Longest list this reader can take, golden images and repeats included.', null=True)),
                ('left_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='readerships', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('code',),
            },
        ),
        migrations.AddField(
            model_name='dealing',
            name='reader',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='labeler.reader'),
        ),
        migrations.CreateModel(
            name='DayTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('labels', models.PositiveIntegerField(help_text='Grades and reasons given, changes too.')),
                ('images', models.IntegerField(help_text='Images finished, less those taken back.')),
                ('timed_images', models.IntegerField(help_text='Those of them that came without a break before them.')),
                ('milliseconds', models.PositiveBigIntegerField(help_text='Of grading, breaks excluded.')),
                ('last_at', models.DateTimeField(help_text='When the latest of its labels was given.')),
                ('reader', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='days', to='labeler.reader')),
            ],
        ),
        migrations.AddField(
            model_name='assignment',
            name='reader',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='labeler.reader'),
        ),
        migrations.CreateModel(
            name='ReasonTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('blurred', 'Blurred'), ('badly_lit', 'Badly lit'), ('not_a_face', 'Not a face'), ('not_acne', 'Not acne'), ('occluded', 'Covered or made up'), ('duplicate', 'Seen before'), ('other', 'Something else')], max_length=12)),
                ('images', models.IntegerField()),
                ('reader', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reasons', to='labeler.reader')),
            ],
        ),
        migrations.CreateModel(
            name='SimilarPair',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('distance', models.PositiveSmallIntegerField(help_text='Bits in which the fingerprints differ.')),
                ('verdict', models.CharField(choices=[('suspected', 'Suspected'), ('confirmed', 'The same photograph'), ('distinct', 'Different photographs')], default='suspected', max_length=10)),
                ('judged_at', models.DateTimeField(blank=True, null=True)),
                ('first', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='labeler.image')),
                ('judged_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('second', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='labeler.image')),
            ],
        ),
        migrations.CreateModel(
            name='StudyTally',
            fields=[
                ('study', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='tally', serialize=False, to='labeler.study')),
                ('counted', models.PositiveBigIntegerField(default=0, help_text='Every label up to this id is counted.')),
                ('seen', models.PositiveBigIntegerField(help_text="The newest label's id at that moment.")),
                ('seen_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='study',
            name='admins',
            field=models.ManyToManyField(blank=True, related_name='administered_studies', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='reader',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='readers', to='labeler.study'),
        ),
        migrations.CreateModel(
            name='PrescreenRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('limits', models.JSONField(help_text='Measure -> [smallest, largest]; null is no limit.')),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('set_at', models.DateTimeField(auto_now_add=True)),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='prescreen_rules', to='labeler.study')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='LedgerBlock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(help_text='From 1 on, without a gap.')),
                ('previous', models.CharField(help_text='Digest of the block before.', max_length=64)),
                ('rows', models.BinaryField(help_text='Of each row in order its kind, its id and its SHA-256: 41 bytes.')),
                ('rows_sha256', models.CharField(max_length=64)),
                ('labels_until', models.BigIntegerField()),
                ('events_until', models.BigIntegerField()),
                ('heads', models.JSONField(default=dict, help_text="In a block of the site: every study's latest block.")),
                ('sealed_at', models.DateTimeField()),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('study', models.ForeignKey(help_text='None: the whole site.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ledger_blocks', to='labeler.study')),
            ],
            options={
                'ordering': ('number',),
            },
        ),
        migrations.AddField(
            model_name='intake',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='intakes', to='labeler.study'),
        ),
        migrations.AddField(
            model_name='image',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='images', to='labeler.study'),
        ),
        migrations.AddField(
            model_name='gradelevel',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='grade_levels', to='labeler.study'),
        ),
        migrations.AddField(
            model_name='erasure',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='erasures', to='labeler.study'),
        ),
        migrations.AddField(
            model_name='dealing',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dealings', to='labeler.study'),
        ),
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(help_text='As images have it; once erased, a pseudonym.', max_length=100)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('grading', 'Dermatologists grade the photographs'), ('training', 'A regressor learns from them and is judged on them'), ('sharing', 'They may be shared or published')], max_length=10), blank=True, default=list, size=None)),
                ('given_on', models.DateField(blank=True, null=True)),
                ('source', models.CharField(blank=True, help_text='Where it is written down: a form, a file.', max_length=200)),
                ('recorded_at', models.DateTimeField(auto_now_add=True)),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='consents', to='labeler.study')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='Commitment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('opening', models.TextField(editable=False)),
                ('digest', models.CharField(help_text='SHA-256 of the opening.', max_length=64)),
                ('study', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='commitment', to='labeler.study')),
            ],
        ),
        migrations.CreateModel(
            name='StudyJob',
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
                ('kind', models.CharField(choices=[('measure', 'measuring images'), ('limits', 'applying limits'), ('duplicates', 'searching near-duplicates'), ('score', 'scoring provisionally')], max_length=12)),
                ('is_asked_again', models.BooleanField(default=False, help_text='Since it was begun: then it is done once more.')),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(default=0)),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('source', models.ForeignKey(help_text='Whose regressor scores.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='labeler.study')),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='study_jobs', to='labeler.study')),
            ],
            options={
                'db_table': 'labeler_chore',
                'ordering': ('-id',),
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(max_length=40)),
                ('detail', models.CharField(blank=True, max_length=500)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('origin', models.CharField(blank=True, db_default='', help_text='The address it came from, as far as it is kept.', max_length=45)),
                ('at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('salt', models.CharField(db_default='', default=labeler.models.records.draw_salt, editable=False, max_length=32)),
                ('user', models.ForeignKey(help_text='None: a command.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('study', models.ForeignKey(help_text='None: the whole site.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='audit_events', to='labeler.study')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='TimeTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('step', models.PositiveSmallIntegerField(help_text='From 1.1 ** step milliseconds on, up to the next step.')),
                ('labels', models.PositiveIntegerField()),
                ('reader', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='times', to='labeler.reader')),
            ],
        ),
        migrations.CreateModel(
            name='Doubt',
            fields=[
                ('image', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='doubt', serialize=False, to='labeler.image')),
                ('spread', models.FloatField(default=0, help_text="Standard deviation of the readers' current grades.")),
                ('lowest', models.PositiveSmallIntegerField(help_text="Of the readers' current grades.", null=True)),
                ('highest', models.PositiveSmallIntegerField(null=True)),
                ('unstable', models.PositiveIntegerField(default=0, help_text='Readers who say now what they did not say before.')),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='doubts', to='labeler.study')),
            ],
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(condition=models.Q(('not_gradable', ''), _negated=True), fields=['not_gradable', 'assignment'], name='not_gradable_why'),
        ),
        migrations.AddConstraint(
            model_name='label',
            constraint=models.UniqueConstraint(fields=('assignment', 'version'), name='one_label_per_version'),
        ),
        migrations.AddConstraint(
            model_name='label',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('grade__isnull', False), ('is_undo', False), ('not_gradable', '')), models.Q(('grade__isnull', True), ('is_undo', False), models.Q(('not_gradable', ''), _negated=True)), models.Q(('grade__isnull', True), ('is_undo', True), ('not_gradable', '')), _connector='OR'), name='a_grade_or_a_reason_or_an_undo'),
        ),
        migrations.AddIndex(
            model_name='intakefile',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['intake', 'id'], name='still_to_import'),
        ),
        migrations.AddConstraint(
            model_name='intakefile',
            constraint=models.UniqueConstraint(fields=('intake', 'name'), name='one_row_per_file'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('email'), condition=models.Q(('revoked_at', None)), name='invited_once'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('subject', ''), ('used_at', None)), models.Q(('used_at__isnull', False), models.Q(('subject', ''), _negated=True)), _connector='OR'), name='used_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='daytally',
            constraint=models.UniqueConstraint(fields=('reader', 'day'), name='one_tally_per_day'),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(condition=models.Q(('is_done', False), ('withdrawn_in', None)), fields=['reader', 'position'], name='still_to_grade'),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(condition=models.Q(('is_done', True)), fields=['reader', '-labeled_at'], name='lately_graded'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.UniqueConstraint(fields=('reader', 'image', 'is_repeat'), name='dealt_once'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.UniqueConstraint(deferrable=django.db.models.constraints.Deferrable['DEFERRED'], fields=('reader', 'position'), name='one_image_per_position'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('position__isnull', False), ('withdrawn_in', None)), models.Q(('position', None), ('withdrawn_in__isnull', False)), _connector='OR'), name='withdrawn_has_no_position'),
        ),
        migrations.AddConstraint(
            model_name='reasontally',
            constraint=models.UniqueConstraint(fields=('reader', 'reason'), name='one_tally_per_reason'),
        ),
        migrations.AddConstraint(
            model_name='similarpair',
            constraint=models.UniqueConstraint(fields=('first', 'second'), name='one_pair_of_two_images'),
        ),
        migrations.AddConstraint(
            model_name='similarpair',
            constraint=models.CheckConstraint(condition=models.Q(('first__lt', models.F('second'))), name='pair_in_order'),
        ),
        migrations.AddConstraint(
            model_name='study',
            constraint=models.CheckConstraint(condition=models.Q(('reports_released_at', None), ('closed_at__isnull', False), _connector='OR'), name='released_after_closing'),
        ),
        migrations.AddConstraint(
            model_name='reader',
            constraint=models.UniqueConstraint(fields=('study', 'user'), name='one_readership_per_study'),
        ),
        migrations.AddConstraint(
            model_name='reader',
            constraint=models.UniqueConstraint(fields=('study', 'code'), name='one_reader_per_code'),
        ),
        migrations.AddConstraint(
            model_name='ledgerblock',
            constraint=models.UniqueConstraint(fields=('study', 'number'), name='one_block_per_number', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('is_golden', True)), fields=['study'], name='golden_of_study'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('is_kept', False)), fields=['study'], name='dropped_of_study'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('may_be_graded', False)), fields=['study'], name='shut_of_study'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('is_erased', True)), fields=['study'], name='erased_of_study'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('subject', ''), _negated=True), fields=['study', 'subject', 'id'], name='subject_of_study'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(models.F('study'), django.db.models.functions.comparison.Collate('source_name', 'C'), models.F('id'), name='name_begins_with'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('metadata', {}), _negated=True), fields=['study', '-id'], name='metadata_of_study'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=django.contrib.postgres.indexes.GinIndex(fields=['metadata'], name='metadata_value', opclasses=['jsonb_path_ops']),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.UniqueConstraint(fields=('study', 'content_hash'), name='imported_once'),
        ),
        migrations.AddConstraint(
            model_name='gradelevel',
            constraint=models.UniqueConstraint(fields=('study', 'value'), name='one_level_per_value'),
        ),
        migrations.AddConstraint(
            model_name='gradelevel',
            constraint=models.CheckConstraint(condition=models.Q(('value__gte', 1), ('value__lte', 9)), name='level_has_a_digit_key'),
        ),
        migrations.AddConstraint(
            model_name='erasure',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'running'), _negated=True), ('lease_until__isnull', False), _connector='OR'), name='erasure_runs_under_a_lease'),
        ),
        migrations.AddConstraint(
            model_name='erasure',
            constraint=models.CheckConstraint(condition=models.Q(('finished_at', None), ('started_at', None), ('finished_at__gte', models.F('started_at')), _connector='OR'), name='erasure_ends_after_it_starts'),
        ),
        migrations.AddIndex(
            model_name='consent',
            index=models.Index(fields=['study', 'subject', '-id'], name='consent_of_subject'),
        ),
        migrations.AddConstraint(
            model_name='studyjob',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'running'), _negated=True), ('lease_until__isnull', False), _connector='OR'), name='chore_runs_under_a_lease'),
        ),
        migrations.AddConstraint(
            model_name='studyjob',
            constraint=models.CheckConstraint(condition=models.Q(('finished_at', None), ('started_at', None), ('finished_at__gte', models.F('started_at')), _connector='OR'), name='chore_ends_after_it_starts'),
        ),
        migrations.AddConstraint(
            model_name='studyjob',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['queued', 'running'])), fields=('study', 'kind'), name='one_chore_of_a_kind_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='studyjob',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'score'), ('source__isnull', False)), models.Q(models.Q(('kind', 'score'), _negated=True), ('source', None)), _connector='OR'), name='scoring_has_a_source'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['study', '-id'], name='audit_of_study'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['study', 'action', '-id'], name='audit_by_action'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['study', 'user', '-id'], name='audit_by_person'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['at', 'id'], name='audit_by_time'),
        ),
        migrations.AddConstraint(
            model_name='timetally',
            constraint=models.UniqueConstraint(fields=('reader', 'step'), name='one_tally_per_step'),
        ),
        migrations.AddIndex(
            model_name='doubt',
            index=models.Index(condition=models.Q(('spread__gt', 0)), fields=['study', '-spread', 'image'], name='disputed_images'),
        ),
        migrations.AddIndex(
            model_name='doubt',
            index=models.Index(condition=models.Q(('unstable__gt', 0)), fields=['study', '-unstable', 'image'], name='unstable_images'),
        ),
        migrations.RunSQL(FORBID, migrations.RunSQL.noop),
        migrations.RunSQL(FORBID_BUT_ERASING, ALLOW),
        migrations.RunPython(make_cache_table, drop_cache_table),
    ]
