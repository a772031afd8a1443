"""Static files with a content hash in their names, so that browsers may keep them forever."""

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Also rewrites the imports of ES modules."""

    support_js_module_import_aggregation = True

    def create_compressor(self, **options: Any) -> Compressor:
        """Compress with gzip alone: the same files wherever they are made, whatever else is installed there."""
        return super().create_compressor(**options, use_brotli=False)
