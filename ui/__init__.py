"""The page: Gradio only. No HTTP, no image decoding, no retry loops."""
