"""manage.py restrict_role ROLE"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from psycopg2 import sql

# What is history: it can be read and added to. Triggers say so too, but an owner can drop those.
APPEND_ONLY = ("labeler_label", "labeler_auditevent", "labeler_ledgerblock", "labeler_erasednote")
GRANTS = (
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    "REVOKE UPDATE, DELETE, TRUNCATE ON {history} FROM {role}",
)


class Command(BaseCommand):
    help = "As the owner of the tables, after each migrate: let ROLE run the processes but never change history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", help="the database role that DATABASE_URL of the processes names")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        role = options["role"]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper, rolname = current_user FROM pg_roles WHERE rolname = %s", [role])
            found = cursor.fetchone()
            if not found or any(found):
                raise CommandError(f"{role} must be another role than the owner, and no superuser: CREATE ROLE it.")
            history = sql.SQL(", ").join(map(sql.Identifier, APPEND_ONLY))
            for grant in GRANTS:
                cursor.execute(
                    sql.SQL(grant).format(role=sql.Identifier(role), history=history).as_string(cursor.cursor)
                )
        self.stdout.write(f"{role} may run the processes; labels, audit log and ledger it may only add to.")
