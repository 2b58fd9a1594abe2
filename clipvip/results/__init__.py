"""What finished cells say: intervals, tests, tables, figures, the page, the MLflow mirror."""
