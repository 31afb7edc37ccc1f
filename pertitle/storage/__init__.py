"""What is kept: title folders, measurements between runs, sources and titles in object stores."""
