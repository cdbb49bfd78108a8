"""A dream in one page that opens from the disk: `build.py` puts it together; what it does is the JavaScript beside it."""

DREAM_PAGE = "dream.html"  # file name of the page with the dream
SMALL_PAGE = "small_dreams.html"  # file name of the page with the two small dreams
