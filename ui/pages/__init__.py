"""The pages, one file each, put together by `ui.page`."""
