"""What nbgrader has to know of the course: its notebooks lie where students have them."""

c = get_config()  # noqa: F821 - nbgrader gives it

c.CourseDirectory.course_id = "phloem"
c.CourseDirectory.source_directory = "modules"
