"""The reliability bars, one file each: ``run(full, folder)`` at the small or the stated size."""
