"""What the tabs share: how they draw and save, views, the token strip, traces, figures, work that can be stopped."""
