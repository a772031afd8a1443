"""Running tallies of labels, so that oversight pages need not count a million rows.

A worker calls `count` every half a minute. A label takes its id before it is committed, so an id that is visible does
not say that those below it are: what was the newest id is counted up to only when every save that had begun by then
must have ended. `docs/science/statistics.md` defines the numbers.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from labeler.models import Label, Study, StudyTally
from labeler.platform import database_clock

SETTLED = timedelta(seconds=30)  # a save that takes longer is cut off: see the timeouts in settings.DATABASES
BREAK = timedelta(minutes=5)  # a longer pause between labels is a break
STEP = 1.1  # of the histogram of times: a median read off it is within 5 %

# The study's labels that are not counted yet, each with what it follows: `before` on its image, `gap` in time.
FRESH = """
SELECT assignment.reader_id, assignment.image_id, label.labeled_at, label.not_gradable, label.visible_ms, label.is_undo,
       (label.labeled_at AT TIME ZONE %(zone)s)::date AS day,
       COALESCE(before.not_gradable, '') AS not_gradable_before,
       (NOT label.is_undo)::int - (before.is_undo IS FALSE)::int AS images,
       label.labeled_at - COALESCE(
           lag(label.labeled_at) OVER (PARTITION BY assignment.reader_id ORDER BY label.labeled_at, label.id), latest.at
       ) AS gap
FROM labeler_label label
JOIN labeler_assignment assignment ON assignment.id = label.assignment_id
JOIN labeler_reader reader ON reader.id = assignment.reader_id
LEFT JOIN labeler_label before ON before.assignment_id = assignment.id AND before.version = label.version - 1
LEFT JOIN (SELECT reader_id, max(last_at) AS at FROM labeler_daytally GROUP BY reader_id) latest
       ON latest.reader_id = reader.id
WHERE reader.study_id = %(study)s AND label.id > %(counted)s AND label.id <= %(seen)s
"""

COUNT_LABELS = f"""
WITH fresh AS MATERIALIZED ({FRESH}),
days AS (
    INSERT INTO labeler_daytally AS tally (reader_id, day, labels, images, timed_images, milliseconds, hasty,
                                           last_at)
    SELECT reader_id, day, count(*) FILTER (WHERE NOT is_undo), sum(images),
           COALESCE(sum(images) FILTER (WHERE gap <= %(break)s::interval), 0),
           COALESCE(sum(GREATEST(extract(epoch FROM gap), 0) * 1000)
                    FILTER (WHERE gap <= %(break)s::interval), 0)::bigint,
           count(*) FILTER (WHERE NOT is_undo AND visible_ms < %(shortest_look)s), max(labeled_at)
    FROM fresh GROUP BY reader_id, day
    ON CONFLICT (reader_id, day) DO UPDATE SET
        labels = tally.labels + excluded.labels, images = tally.images + excluded.images,
        timed_images = tally.timed_images + excluded.timed_images,
        milliseconds = tally.milliseconds + excluded.milliseconds, hasty = tally.hasty + excluded.hasty,
        last_at = GREATEST(tally.last_at, excluded.last_at)
),
reasons AS (
    INSERT INTO labeler_reasontally AS tally (reader_id, reason, images)
    SELECT reader_id, reason, sum(change) FROM (
        SELECT reader_id, not_gradable AS reason, 1 AS change FROM fresh
        UNION ALL SELECT reader_id, not_gradable_before, -1 FROM fresh
    ) changes WHERE reason <> '' GROUP BY reader_id, reason
    ON CONFLICT (reader_id, reason) DO UPDATE SET images = tally.images + excluded.images
)
INSERT INTO labeler_timetally AS tally (reader_id, step, labels)
SELECT reader_id, floor(ln(visible_ms) / ln(%(step)s)), count(*)
FROM fresh WHERE visible_ms > 0 AND NOT is_undo GROUP BY 1, 2
ON CONFLICT (reader_id, step) DO UPDATE SET labels = tally.labels + excluded.labels
"""  # noqa: S608  FRESH is our own text

# Of each image that a fresh label is on: what every reader says now, and whether they ever said something else.
WEIGH_IMAGES = f"""
WITH touched AS MATERIALIZED (SELECT DISTINCT image_id FROM ({FRESH}) fresh),
readings AS (
    SELECT assignment.image_id, assignment.reader_id,
           min(current.grade) FILTER (WHERE NOT assignment.is_repeat) AS first,
           min(current.grade) FILTER (WHERE assignment.is_repeat) AS second,
           bool_or(assignment.version > 1 AND 1 < (
               SELECT count(DISTINCT (said.grade, said.not_gradable)) FROM labeler_label said
               WHERE said.assignment_id = assignment.id AND NOT said.is_undo)) AS has_changed
    FROM touched
    JOIN labeler_assignment assignment ON assignment.image_id = touched.image_id
    JOIN labeler_label current ON current.assignment_id = assignment.id AND current.version = assignment.version
    GROUP BY assignment.image_id, assignment.reader_id
),
weighed AS (
    SELECT image_id, COALESCE(stddev_pop(first), 0) AS spread, min(first) AS lowest, max(first) AS highest,
           count(*) FILTER (WHERE has_changed OR first <> second) AS unstable
    FROM readings GROUP BY image_id
)
INSERT INTO labeler_doubt AS doubt (image_id, study_id, spread, lowest, highest, unstable)
SELECT image_id, %(study)s, spread, lowest, highest, unstable FROM weighed
WHERE spread > 0 OR unstable > 0 OR EXISTS (SELECT FROM labeler_doubt known WHERE known.image_id = weighed.image_id)
ON CONFLICT (image_id) DO UPDATE SET
    spread = excluded.spread, lowest = excluded.lowest, highest = excluded.highest, unstable = excluded.unstable
"""  # noqa: S608


@transaction.atomic
def count(study: Study, *, settled: timedelta = SETTLED) -> bool:
    """Count the study's labels up to the newest id of the call before, if that was `settled` ago; else do nothing.

    Any number of workers may call it: one counts, and the others find the row taken. Returns whether it counted.
    """
    now = database_clock.now()
    newest = Label.objects.aggregate(newest=Max("pk"))["newest"] or 0
    StudyTally.objects.get_or_create(study=study, defaults={"seen": newest, "seen_at": now})
    tally = StudyTally.objects.select_for_update(skip_locked=True).filter(study=study).first()
    if tally is None:
        return False
    if tally.seen_at > now:  # a clock was wrong: from now on it waits as long as ever
        StudyTally.objects.filter(study=study).update(seen=newest, seen_at=now)
        return False
    if now - tally.seen_at < settled:
        return False
    if tally.seen > tally.counted:
        _fold(tally)
    StudyTally.objects.filter(study=study).update(counted=tally.seen, seen=newest, seen_at=now)
    return True


def _fold(tally: StudyTally) -> None:
    """Add the labels after `counted`, up to `seen`, to the tables."""
    parameters: dict[str, int | float | str] = {
        "study": tally.study_id,
        "counted": tally.counted,
        "seen": tally.seen,
        "zone": timezone.get_current_timezone_name(),
        "break": f"{BREAK.total_seconds()} s",
        "step": STEP,
        "shortest_look": tally.study.shortest_look_ms,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT_LABELS, parameters)
        cursor.execute(WEIGH_IMAGES, parameters)
