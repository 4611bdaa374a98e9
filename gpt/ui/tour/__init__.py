"""The tour: the chapter stop by stop, in a bar that opens the page's own tabs and says what to look for."""
