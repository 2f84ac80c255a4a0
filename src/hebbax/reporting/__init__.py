"""One study, fitted and told: its answers, sections, tables and pictures in one HTML file."""
