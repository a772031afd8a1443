"""Labels are history: the database itself refuses to change or delete one."""

from django.db import migrations

FORBID = """
CREATE FUNCTION labeler_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are only ever added, never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER labels_are_append_only BEFORE UPDATE OR DELETE ON labeler_label
    FOR EACH ROW EXECUTE FUNCTION labeler_refuse_change();
"""
ALLOW = """
DROP TRIGGER labels_are_append_only ON labeler_label;
DROP FUNCTION labeler_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("labeler", "0001_initial")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
