"""No golden image among those that a run learns from: a foreign key on the image and its being golden refuses it.

It holds in both directions: a golden image can't come in, and one that is in can't be made golden.
"""

from django.db import migrations

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
    dependencies = [("training", "0004_training_images"), ("labeler", "0012_uploads")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
