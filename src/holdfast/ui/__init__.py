"""What people and other programs see of the lab: command line, live view, report and charts."""
