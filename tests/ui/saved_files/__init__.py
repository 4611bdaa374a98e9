"""Every file that the page saves, a module of tests for each tab."""
