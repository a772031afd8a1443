"""The audit log is history: the database itself refuses to change or delete a row."""

from django.db import migrations

FORBID = """
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON labeler_auditevent
    FOR EACH ROW EXECUTE FUNCTION labeler_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("labeler", "0007_running_a_study")]
    operations = [migrations.RunSQL(FORBID, "DROP TRIGGER audit_is_append_only ON labeler_auditevent;")]
