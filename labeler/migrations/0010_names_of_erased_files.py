import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labeler', '0009_note_changed_facts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ErasedName',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ends', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=16), help_text='Of the base name, of the last folder and it, and so on.', size=None)),
                ('exact', models.CharField(help_text='Of the name as it was written.', max_length=16)),
                ('kind', models.CharField(blank=True, help_text='The kind of picture.', max_length=10)),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='erased_names', to='labeler.study')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('study', 'exact'), name='one_row_per_erased_name')],
            },
        ),
    ]
