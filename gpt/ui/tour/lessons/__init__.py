"""The lessons of the tour: what each stop opens, frames, says and asks. No stop knows the page it is shown on."""
