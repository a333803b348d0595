"""The drawn world of the offline default: avatars, their captions, and the small CLIP model that is trained on them."""
