"""Take it home: an edit out of the app, into stores and models that people run."""
