"""The scenarios that come with the project, one TOML file each, found by name."""
