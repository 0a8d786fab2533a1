"""The report of a plan: plan_reader reads, display prepares the pictures' data, page writes HTML, figures PNG."""
