"""How the site is served: request limits, headers, error pages, the supervisor of its processes, embedded servers."""
